/* Whether 2^(n-1) = 1 modulo n, for several odd n at once: each lane of the vector registers has another n.

It is compiled once for processors with AVX-512 IFMA, with limbs of 52 bits in 8 lanes, and once for those with
AVX2, with limbs of 28 bits in 4 lanes. Squares are reduced by Montgomery's method, column by column, with R = 2 to
the bits of all limbs. Since R > 16 n, squares stay below 2 n and doubles below 4 n: nothing is subtracted. */

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#ifdef __AVX512IFMA__
enum { LANES = 8, LIMB_BITS = 52, LIMBS = 120 };
typedef uint64_t Vector __attribute__((vector_size(64)));
typedef __m512i I;
static Vector add_low(Vector sum, Vector a, Vector b) { return (Vector)_mm512_madd52lo_epu64((I)sum, (I)a, (I)b); }
static Vector add_high(Vector sum, Vector a, Vector b) { return (Vector)_mm512_madd52hi_epu64((I)sum, (I)a, (I)b); }
int supported(void) { return __builtin_cpu_supports("avx512ifma") != 0; }
#else
/* A product of 56 bits is added whole, as what is low; 64 bits hold the 2 LIMBS products of a column. With more
limbs OpenSSL's power of one number after the other is faster. */
enum { LANES = 4, LIMB_BITS = 28, LIMBS = 40 };
typedef uint64_t Vector __attribute__((vector_size(32)));
typedef __m256i I;
static Vector add_low(Vector sum, Vector a, Vector b) { return sum + (Vector)_mm256_mul_epu32((I)a, (I)b); }
static Vector add_high(Vector sum, Vector a, Vector b) { return (void)a, (void)b, sum; }
int supported(void) { return __builtin_cpu_supports("avx2") != 0; }
#endif

/* Two vectors take turns, since one would wait for each product. */
enum { VECTORS = 2, WIDTH = VECTORS * LANES };
typedef struct { Vector of[VECTORS]; } Limb;
#define EACH for (int v = 0; v < VECTORS; v++)
static const uint64_t MASK = (1ULL << LIMB_BITS) - 1;
static const Limb ZERO;

int width(void) { return WIDTH; }
int limb_bits(void) { return LIMB_BITS; }
int limbs_for(int bits) { return (bits + 4 + LIMB_BITS - 1) / LIMB_BITS; }
int most_bits(void) { return LIMBS * LIMB_BITS - 4; }

static inline void add_product(Limb *low, Limb *high, const Limb *a, const Limb *b)
{
    EACH {
        low->of[v] = add_low(low->of[v], a->of[v], b->of[v]);
        high->of[v] = add_high(high->of[v], a->of[v], b->of[v]);
    }
}

/* Have x be x x / R modulo n, or x / R where `square` is 0; `inverse` is -1 / n modulo 2^LIMB_BITS. */
static inline __attribute__((always_inline)) void
reduce(int square, Limb *x, const Limb *n, const Limb *inverse, long limbs)
{
    Limb quotient[LIMBS], result[LIMBS], carry = ZERO, high_before = ZERO;
    for (long k = 0; k < 2 * limbs; k++) {
        Limb low = carry, high = ZERO, pairs_low = ZERO, pairs_high = ZERO;
        long first = k < limbs ? 0 : k - limbs + 1, end = k < limbs ? k : limbs;
        if (square) {
            for (long i = first, j = k - first; i < j; i++, j--)
                add_product(&pairs_low, &pairs_high, &x[i], &x[j]);
            EACH {
                low.of[v] += 2 * pairs_low.of[v];
                high.of[v] += 2 * pairs_high.of[v];
            }
            if (k % 2 == 0)
                add_product(&low, &high, &x[k / 2], &x[k / 2]);
        } else if (k < limbs)
            EACH low.of[v] += x[k].of[v];
        for (long i = first; i < end; i++)
            add_product(&low, &high, &quotient[i], &n[k - i]);
        EACH low.of[v] += high_before.of[v];
        if (k < limbs) {
            EACH quotient[k].of[v] = add_low(ZERO.of[v], low.of[v] & MASK, inverse->of[v]) & MASK;
            add_product(&low, &high, &quotient[k], &n[0]);
        } else
            EACH result[k - limbs].of[v] = low.of[v] & MASK;
        EACH carry.of[v] = low.of[v] >> LIMB_BITS;
        high_before = high;
    }
    memcpy(x, result, limbs * sizeof *x);
}

/* Double the x in lanes where `doubled` is 1. */
static void double_some(Limb *x, const Limb *doubled, long limbs)
{
    Limb below = ZERO;
    for (long k = 0; k < limbs; k++) {
        Limb old = x[k];
        EACH x[k].of[v] = (old.of[v] << doubled->of[v] | below.of[v] >> (LIMB_BITS - doubled->of[v])) & MASK;
        below = old;
    }
}

static void read(Limb *to, const uint8_t *numbers, long stride, long limbs)
{
    for (long k = 0; k < limbs; k++)
        for (int lane = 0; lane < WIDTH; lane++) {
            uint64_t word;
            memcpy(&word, numbers + lane * stride + k * LIMB_BITS / 8, sizeof word);
            to[k].of[lane / LANES][lane % LANES] = word >> k * LIMB_BITS % 8 & MASK;
        }
}

/* Write for each of WIDTH odd numbers whether it passes. Each has `bits` bits or fewer, and `stride` bytes, little
end first, that end 8 bytes after the last limb begins; `ones` are R modulo the numbers, in the same form. */
void fermat(const uint8_t *numbers, const uint8_t *ones, long stride, long limbs, long bits, uint8_t *passes)
{
    Limb n[LIMBS], x[LIMBS], inverse;
    read(n, numbers, stride, limbs);
    read(x, ones, stride, limbs);
    EACH {
        /* Newton's method: n is its own inverse modulo 8, and each step doubles the bits that are right */
        Vector found = n[0].of[v];
        for (int step = 0; step < 5; step++)
            found *= 2 - n[0].of[v] * found;
        inverse.of[v] = -found & MASK;
    }
    /* the bits of n - 1 are those of n but for the last */
    for (long bit = bits - 1; bit >= 0; bit--) {
        reduce(1, x, n, &inverse, limbs);
        Limb doubled = ZERO;
        if (bit > 0)
            EACH doubled.of[v] = n[bit / LIMB_BITS].of[v] >> bit % LIMB_BITS & 1;
        double_some(x, &doubled, limbs);
    }
    reduce(0, x, n, &inverse, limbs);
    for (int lane = 0; lane < WIDTH; lane++) {
        uint64_t other = x[0].of[lane / LANES][lane % LANES] ^ 1;
        for (long k = 1; k < limbs; k++)
            other |= x[k].of[lane / LANES][lane % LANES];
        passes[lane] = other == 0;
    }
}

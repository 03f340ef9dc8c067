// Answers for a target and a price from the numbers in the page; without this script a command is shown.
(() => {
  const digits = value => value >= 1000 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
  const setUp = form => {
    const points = JSON.parse(form.dataset.points), { unit, what, chance, priced } = form.dataset;
    const named = size => `${size} ${size === 1 ? what.replace(/s$/, "") : what}`;
    const output = form.querySelector("output");
    const told = (target, price) => {
      if (target < 0 || price < 0) return "Neither can be below 0.";
      const lines = [];
      if (target > 0) {
        const enough = points.find(one => one.low !== null && one.low >= target);
        const best = Math.max(...points.map(one => one.high ?? one.value));
        lines.push(enough
          ? `${named(enough.size)}: ${digits(enough.value)} ${unit} (with ${chance} probability at least ` +
            `${digits(enough.low)}), ${enough.measured ? "measured" : "by the laws that fit"}.` +
            (enough === points[0] && enough.size > 1 ? " Fewer may do." : "")
          : best < target ? `No size up to ${points.at(-1).size} gets there: ${digits(best)} ${unit} at most.`
            : "No size is sure to get there: measure more, or more often.");
      }
      if (price > 0) {
        const costs = points.filter(one => one.measured && one.value)
          .map(one => [1e6 * price * (priced === "nodes" ? one.size : 1) / 3600 / one.value, one.size])
          .sort((a, b) => a[0] - b[0]);
        if (costs.length) lines.push(`Cheapest of those measured, by their means: ${named(costs[0][1])}, ` +
          `${digits(costs[0][0])} for a million.`);
      }
      return lines.join(" ") || `Give a target, or a price. Measured: ${points.filter(one => one.measured)
        .map(one => `${one.size}: ${digits(one.value)}`).join("; ")} ${unit}.`;
    };
    const show = () => {
      output.textContent = told(Number(form.elements.target.value), Number(form.elements.price.value));
    };
    form.addEventListener("input", show);
    form.addEventListener("submit", event => event.preventDefault());
    show();
  };
  const all = () => document.querySelectorAll("form.lab-explorer").forEach(setUp);
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", all) : all();
})();

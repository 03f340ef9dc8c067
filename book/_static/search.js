// The search page: sections of the book that hold all words, with what stands around the first of them.
addEventListener("DOMContentLoaded", () => {
  const MOST = 50, BEFORE = 60, AFTER = 160;
  const input = document.getElementById("lab-search-words");
  const query = (new URLSearchParams(location.search).get("q") ?? "").trim();
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  input.value = query;
  if (!words.length) return input.focus();
  const escaped = text => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
  const any = new RegExp(`(${words.map(escaped).join("|")})`, "gi");
  const marked = text => text.split(any).map((part, place) => {
    if (place % 2 === 0) return part;
    const mark = document.createElement("mark");
    mark.textContent = part;
    return mark;
  });
  const weight = one => words.filter(word => one.title.toLowerCase().includes(word)).length;
  const found = labSections
    .filter(one => words.every(word => `${one.title} ${one.text}`.toLowerCase().includes(word)))
    .sort((a, b) => weight(b) - weight(a));
  const item = one => {
    const start = Math.max(0, one.text.search(any) - BEFORE);
    const link = document.createElement("a");
    link.href = one.address;
    link.append(...marked(one.title));
    const excerpt = document.createElement("p");
    excerpt.append(start ? "… " : "", ...marked(one.text.slice(start, start + BEFORE + AFTER)), " …");
    const shown = document.createElement("li");
    shown.append(link, one.page === one.title ? "" : ` in ${one.page}`, excerpt);
    return shown;
  };
  document.getElementById("lab-search-found").append(...found.slice(0, MOST).map(item));
  document.getElementById("lab-search-count").textContent = found.length > MOST
    ? `${found.length} sections have it; the first ${MOST}:`
    : `${found.length || "No"} section${found.length === 1 ? " has" : "s have"} it.`;
});

// A table or a listing that is wider than its place is scrolled by keyboard, too: it can have the focus, and a name.
(() => {
  const name = box => {
    const head = [...box.querySelectorAll("th")].map(one => one.textContent.trim()).slice(0, 2).join(", ");
    return head ? `Table: ${head}` : "Listing";
  };
  const setUp = () => {
    for (const box of document.querySelectorAll(".pst-scrollable-table-container, .highlight pre")) {
      const wide = box.scrollWidth > box.clientWidth;
      const told = { tabindex: "0", role: "region", "aria-label": name(box) };
      for (const [key, value] of Object.entries(told)) wide ? box.setAttribute(key, value) : box.removeAttribute(key);
    }
  };
  addEventListener("load", setUp);
  addEventListener("resize", setUp);
  addEventListener("toggle", setUp, true);
})();

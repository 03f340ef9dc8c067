// Zoom, move and read the timelines that lab/figures/timeline.py draws; without this script they stand still.
// All rows of a timeline show the same stretch of time: their viewBox is the one thing that moves.
(() => {
  const TICKS = 5, MOST_ZOOM = 1e5, STEP = 1.6;
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  function setUp(root) {
    const whole = Number(root.dataset.seconds);
    const plots = root.querySelector(".lab-timeline-plots");
    const axis = root.querySelector(".lab-timeline-axis");
    const tip = root.querySelector(".lab-timeline-tip");
    const rows = [...plots.querySelectorAll("svg.lab-timeline-row")];
    const pointers = new Map();
    let from = 0, to = whole, chosen = null, moved = false;

    for (const title of plots.querySelectorAll("svg.lab-timeline-row title")) {
      title.parentNode.dataset.told = title.textContent;
      title.remove(); // or the browser would show it too
    }
    root.querySelector(".lab-timeline-buttons").hidden = false;

    function show(start, length) {
      const span = clamp(length, whole / MOST_ZOOM, whole);
      from = clamp(start, 0, whole - span);
      to = from + span;
      for (const row of rows) row.setAttribute("viewBox", `${from} 0 ${span} 1`);
      const rough = 10 ** Math.floor(Math.log10(span / TICKS));
      const step = rough * [1, 2, 5, 10].find(one => span / (rough * one) <= TICKS);
      const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
      axis.replaceChildren();
      for (let place = Math.ceil(from / step - 1e-9); place * step <= to; place++) {
        const tick = document.createElement("i");
        tick.style.left = `${100 * (place * step - from) / span}%`;
        tick.textContent = (place * step).toFixed(digits);
        axis.append(tick);
      }
    }

    function timeAt(x) {
      const box = axis.getBoundingClientRect();
      return from + (to - from) * clamp((x - box.left) / box.width, 0, 1);
    }

    function zoom(factor, at = (from + to) / 2) {
      const length = clamp((to - from) / factor, whole / MOST_ZOOM, whole);
      show(at - (at - from) * length / (to - from), length);
    }

    function choose(mark, x) {
      chosen?.classList.remove("chosen");
      chosen = mark;
      tip.hidden = !mark;
      if (!mark) return;
      mark.classList.add("chosen");
      tip.textContent = `${mark.ownerSVGElement.getAttribute("aria-label")}: ${mark.dataset.told}`;
      const outer = root.getBoundingClientRect(), row = mark.ownerSVGElement.getBoundingClientRect();
      const box = mark.getBoundingClientRect();
      const middle = x ?? clamp((box.left + box.right) / 2, row.left, row.right);
      tip.style.left = `${clamp(middle - outer.left, 0, Math.max(0, outer.width - tip.offsetWidth))}px`;
      tip.style.top = `${row.bottom - outer.top + 4}px`;
    }

    const markAt = event =>
      document.elementFromPoint(event.clientX, event.clientY)?.closest("[data-told]") ?? null;

    plots.addEventListener("pointerdown", event => {
      if (event.button === 0) pointers.set(event.pointerId, event.clientX);
      moved = pointers.size > 1;
    });
    plots.addEventListener("pointermove", event => {
      const before = pointers.get(event.pointerId);
      if (before === undefined) return choose(markAt(event), event.clientX);
      if (!moved && Math.abs(event.clientX - before) < 4) return;
      if (!moved) plots.setPointerCapture(event.pointerId);
      moved = true;
      choose(null);
      const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
      if (other === undefined) {
        show(from - (event.clientX - before) * (to - from) / axis.clientWidth, to - from);
      } else {
        const gap = Math.max(8, Math.abs(event.clientX - other));
        zoom(gap / Math.max(8, Math.abs(before - other)), timeAt((event.clientX + other) / 2));
      }
      pointers.set(event.pointerId, event.clientX);
    });
    plots.addEventListener("pointerup", event => {
      if (!moved) choose(markAt(event), event.clientX);
    });
    for (const name of ["pointerup", "pointercancel", "pointerleave"]) {
      plots.addEventListener(name, event => {
        pointers.delete(event.pointerId);
        if (name === "pointerleave" && event.pointerType === "mouse") choose(null);
      });
    }
    plots.addEventListener("wheel", event => {
      const unit = event.deltaMode ? 20 : 1, [right, down] = [event.deltaX * unit, event.deltaY * unit];
      if (event.ctrlKey || event.metaKey) zoom(Math.exp(-clamp(down, -60, 60) / 200), timeAt(event.clientX));
      else if (event.shiftKey || Math.abs(right) > Math.abs(down)) {
        show(from + (right || down) * (to - from) / axis.clientWidth, to - from);
      } else return; // the page scrolls
      event.preventDefault();
    }, { passive: false });

    const marksOf = row => [...row.children].filter(one => one.dataset.told);
    const edges = mark => { const box = mark.getBBox(); return [box.x, box.x + box.width]; };

    function along(direction) {
      const marks = marksOf(chosen?.ownerSVGElement ?? rows[0]);
      const next = chosen ? marks.indexOf(chosen) + direction : marks.findIndex(one => edges(one)[1] > from);
      visit(marks[clamp(next, 0, marks.length - 1)]);
    }
    function across(direction) {
      const middle = chosen ? (edges(chosen)[0] + edges(chosen)[1]) / 2 : from;
      let place = chosen ? rows.indexOf(chosen.ownerSVGElement) + direction : 0;
      while (rows[place] && !marksOf(rows[place]).length) place += direction;
      if (rows[place]) visit(marksOf(rows[place]).find(one => edges(one)[1] >= middle) ?? marksOf(rows[place]).at(-1));
    }
    function visit(mark) {
      if (!mark) return;
      const [begin, end] = edges(mark);
      if (end < from || begin > to) show((begin + end - (to - from)) / 2, to - from);
      choose(mark);
    }

    const keys = {
      ArrowRight: () => along(1), ArrowLeft: () => along(-1), ArrowDown: () => across(1), ArrowUp: () => across(-1),
      "+": () => zoomed("in"), "=": () => zoomed("in"), "-": () => zoomed("out"), "0": () => zoomed("whole"),
      Escape: () => choose(null),
    };
    function zoomed(what) {
      const at = chosen ? clamp((edges(chosen)[0] + edges(chosen)[1]) / 2, from, to) : undefined;
      if (what === "whole") show(0, whole);
      else zoom(what === "in" ? STEP : 1 / STEP, at);
      choose(chosen);
    }
    plots.addEventListener("keydown", event => {
      if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
      keys[event.key]();
      event.preventDefault();
    });
    plots.addEventListener("blur", () => choose(null));
    root.addEventListener("click", event => {
      const what = event.target.closest("button")?.dataset.do;
      if (what) zoomed(what);
    });
  }

  const start = () => document.querySelectorAll(".lab-timeline").forEach(setUp);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();

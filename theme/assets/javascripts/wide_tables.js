/* A table that is wider than the screen scrolls in the frame that the theme puts around it. Whoever reads with the
   keyboard scrolls it with the arrow keys, for which the frame has to take the focus: only while there is something to
   scroll, so that no other table is a stop on the way. */
const frames = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth) {
      target.tabIndex = 0;
      target.setAttribute("role", "group");
      target.setAttribute("aria-label", "A wide table, which scrolls sideways");
    } else {
      for (const name of ["tabindex", "role", "aria-label"]) target.removeAttribute(name);
    }
  }
});

// The theme has put its frames around the tables before it calls those that subscribe after it.
document$.subscribe(() => {
  frames.disconnect();
  for (const frame of document.querySelectorAll(".md-typeset__scrollwrap")) frames.observe(frame);
});

// Gives the terminal the keyboard as soon as it is there, and whenever the page is come back to: no click is needed.
"use strict";

const line = () => document.querySelector(".xterm-helper-textarea");

new MutationObserver((_, seen) => {
  if (line()) {
    seen.disconnect();
    line().focus();
  }
}).observe(document.documentElement, { childList: true, subtree: true });

window.addEventListener("focus", () => line()?.focus());

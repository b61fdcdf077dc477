// Keys go to the terminal at once, not only after a click on it. That it has the focus is told to the process: so not
// before it is there.
addEventListener("load", () => {
  const terminal = document.getElementById("terminal");
  new MutationObserver((_, observer) => {
    if (terminal.classList.contains("-connected")) {
      observer.disconnect();
      terminal.querySelector(".xterm-helper-textarea").focus();
    }
  }).observe(terminal, {attributeFilter: ["class"]});
});

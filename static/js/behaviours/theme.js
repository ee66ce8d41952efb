// Shows a chosen theme at once; htmx tells the portal, which remembers it for the pages to come.

export function startTheme() {
  document.addEventListener("click", (event) => {
    const choice = event.target.closest("[data-theme-choices] [name=theme]");
    if (!choice) return;
    const theme = choice.value;
    document.documentElement.dataset.theme = theme;
    document.querySelector('meta[name="color-scheme"]').content = theme === "auto" ? "light dark" : theme;
    for (const each of document.querySelectorAll("[data-theme-choices] [name=theme]")) {
      each.setAttribute("aria-pressed", String(each.value === theme));
    }
  });
}

// Asks once more, with the new secret of its forms, for what was refused for the old one.
//
// It was refused before anything was done, and its key makes sure that nothing is done twice.

export function askAgain({ xhr, requestConfig, target, etc }) {
  const token = xhr.getResponseHeader("X-Form-Token");
  for (const field of document.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = token;
  const { verb, path, elt, formData } = requestConfig;
  const values = new FormData();
  for (const [name, value] of formData) values.append(name, value);
  values.set("csrfmiddlewaretoken", token);
  const source = elt.isConnected ? elt : document.body;
  // What goes wrong now is said by app.js.
  window.htmx
    .ajax(verb, path, { source, target, swap: etc?.swapOverride, values, headers: { "X-Form-Again": "1" } })
    ?.catch(() => {});
}

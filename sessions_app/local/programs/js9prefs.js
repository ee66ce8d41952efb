// Read by JS9 when it starts: there is no helper program here, and nothing may be fetched from elsewhere.
window.JS9Prefs = {
  globalOpts: { helperType: "none", loadProxy: false, installDir: new URL("js9/", location.href).href, internalContrastBias: true },
  imageOpts: { colormap: "viridis", scale: "log" },
};

export function level(text) { return /\bERROR\b/.test(text) ? "error" : /\bWARN/.test(text) ? "warn" : ""; }

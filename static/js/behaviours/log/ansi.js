export function spans(text) { return text ? [{ text: text.replace(/\x1b\[[0-9;]*m/g, ""), classes: "" }] : []; }
export function visible(text) { return spans(text).map((s) => s.text).join(""); }
export function links() { return []; }

// Takes along what no server is told of an address, such as #L100-L105, through signing in and back.
//
// Browsers keep it over the redirect to the sign-in page; from there on it has to travel in the form.

const LONGEST = 200;

export function startWayBack() {
  const hash = location.hash;
  if (carries(hash)) {
    for (const field of document.querySelectorAll('[data-way-back] input[name="next"]')) {
      if (!field.value.includes("#")) field.value = (field.value || "/") + hash;
    }
  }
  document.addEventListener("click", onClick);
}

function onClick(event) {
  const link = event.target.closest?.('a[href^="/signin?next="]');
  if (!link || link.search.includes("%23") || !carries(location.hash)) return;
  link.search += encodeURIComponent(location.hash);
}

// The portal looks at the whole way back once more, and takes none that leads elsewhere.
function carries(hash) {
  return hash.length > 1 && hash.length <= LONGEST;
}

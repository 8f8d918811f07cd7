// Questions to the server this page came from. All addresses are relative: the page works under any path.

export async function ask(what, given = {}) {
  const answer = await fetch(`${what}?${new URLSearchParams(given)}`, {cache: "no-store"});
  const document = await answer.json().catch(() => ({error: `${answer.status} ${answer.statusText}`}));
  if (document.error !== undefined) throw new Error(document.error);
  return document;
}

// Whole pictures and changes as they come; `lost` while the server is away. The browser connects again by itself.
export function follow({changed, seen, trouble, lost}) {
  const source = new EventSource("events");
  source.addEventListener("change", (event) => changed(JSON.parse(event.data)));
  source.addEventListener("seen", (event) => seen(JSON.parse(event.data)));
  source.addEventListener("trouble", (event) => trouble(JSON.parse(event.data).error));
  source.addEventListener("error", lost);
  return source;
}

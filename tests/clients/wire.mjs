// A fetch that writes down how it was asked: the method, and whether a document was sent, several, or only a hash.
const exchanges = [];

export function watchedFetch(address, options = {}) {
  const method = options.method ?? "GET";
  const parts = method === "GET" ? Object.fromEntries(new URL(address).searchParams) : JSON.parse(options.body);
  const asked = Array.isArray(parts) ? "documents" : parts.query ? "document" : "hash";
  exchanges.push(`${method} ${asked}`);
  return fetch(address, options);
}

// What a client got and how, as JSON.
export function print(got) {
  console.log(JSON.stringify({ ...got, exchanges }));
}

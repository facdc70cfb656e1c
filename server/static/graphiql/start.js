// Opens GraphiQL on this gateway: our examples in its tabs, nothing fetched from elsewhere, nothing run unasked.
"use strict";

(() => {
  const place = document.getElementById("graphiql");
  const examples = JSON.parse(document.getElementById("examples").textContent);

  const fetcher = GraphiQL.createFetcher({
    url: place.dataset.endpoint,
    subscriptionUrl: new URL(place.dataset.endpoint, location.href).href.replace(/^http/, "ws"),
    headers: {
      accept: "multipart/mixed;incrementalSpec=v0.2, application/graphql-response+json, application/json;q=0.9",
      "x-fanin-cost": "1",
    },
  });

  // GraphiQL's history would keep the headers of every request, credentials among them, although
  // shouldPersistHeaders is false.
  function withoutHeaders(history) {
    return JSON.stringify(JSON.parse(history), (name, value) => (name === "headers" ? undefined : value));
  }

  // A browser may refuse storage altogether; null tells GraphiQL to go without.
  function openStorage() {
    try {
      void localStorage.length;
    } catch {
      return null;
    }
    const storage = GraphiQL.createLocalStorage({ namespace: "fanin" });
    const { setItem } = storage;
    storage.setItem = (key, value) =>
      setItem(key, /:(queries|favorites)$/.test(key) ? withoutHeaders(value) : value);
    return storage;
  }

  // GraphiQL's dialogs lock scrolling with a <style> element.  The policy would refuse it and complain; this page
  // never scrolls, so it is left out.
  function leaveOutStyleElements() {
    const { head } = document;
    const appendChild = head.appendChild.bind(head);
    head.appendChild = (node) => (node instanceof HTMLStyleElement ? node : appendChild(node));
  }

  // A link's query goes before all; the examples open where nothing was stored; else GraphiQL restores its tabs.
  function openingTabs(storage) {
    const address = new URLSearchParams(location.search);
    if (address.has("query") || address.has("variables")) {
      const shared = { query: address.get("query") ?? examples[0].query, variables: address.get("variables") ?? "" };
      return { ...shared, defaultTabs: [shared, ...examples] };
    }
    const stored = storage?.getItem("graphiql:tabState");
    return stored ? {} : { ...examples[0], defaultTabs: examples };
  }

  leaveOutStyleElements();
  const storage = openStorage();
  const options = {
    fetcher,
    storage,
    shouldPersistHeaders: false,
    defaultEditorToolsVisibility: "variables",
    ...openingTabs(storage),
  };
  const logo = React.createElement(GraphiQL.Logo, null, "fanin");
  ReactDOM.createRoot(place).render(React.createElement(GraphiQL, options, logo));
})();

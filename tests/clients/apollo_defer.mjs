// Apollo Client with a query whose second half is deferred: each state it shows, until it is complete.
import { ApolloClient, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { GraphQL17Alpha9Handler } from "@apollo/client/incremental";
import { print, watchedFetch } from "./wire.mjs";

const [uri, account] = process.argv.slice(2);
const PAGES_LATER = gql`
  query PagesLater($account: ID!) {
    stats(accountId: $account) {
      channels { total }
      ... @defer { pages { total } }
    }
  }
`;
const client = new ApolloClient({
  link: new HttpLink({ uri, fetch: watchedFetch }),
  cache: new InMemoryCache(),
  incrementalHandler: new GraphQL17Alpha9Handler(),
});

function statesOf(query) {
  const states = [];
  return new Promise((resolve, reject) => {
    client.watchQuery({ query, variables: { account } }).subscribe({
      next({ data, dataState }) {
        if (dataState !== "empty") states.push({ dataState, data });
        if (dataState === "complete") resolve(states);
      },
      error: reject,
    });
  });
}

print({ states: await statesOf(PAGES_LATER) });

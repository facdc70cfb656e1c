// Apollo Client with persisted queries by GET: two clients with the same question, so a miss and then a hit.
import { createHash } from "node:crypto";
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { print, watchedFetch } from "./wire.mjs";

const [uri, account] = process.argv.slice(2);
const CHANNELS = gql`
  query Channels($account: ID!) {
    stats(accountId: $account) { channels { total rows { channel entrances revenue } } }
  }
`;

async function ask() {
  const sha256 = (document) => createHash("sha256").update(document).digest("hex");
  const persisted = new PersistedQueryLink({ sha256, useGETForHashedQueries: true });
  const link = ApolloLink.from([persisted, new HttpLink({ uri, fetch: watchedFetch })]);
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  const { data } = await client.query({ query: CHANNELS, variables: { account } });
  return data;
}

print({ miss: await ask(), hit: await ask() });

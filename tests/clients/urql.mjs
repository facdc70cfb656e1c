// @urql/core: a query by POST, the same by GET, and one that is refused.
import { Client, fetchExchange, gql } from "@urql/core";
import { print, watchedFetch } from "./wire.mjs";

const [url, account] = process.argv.slice(2);
const CHANNELS = gql`
  query Channels($account: ID!) {
    stats(accountId: $account) { channels { total rows { channel entrances revenue } } }
  }
`;

async function ask(variables, preferGetMethod) {
  const client = new Client({ url, exchanges: [fetchExchange], fetch: watchedFetch, preferGetMethod });
  const { data, error } = await client.query(CHANNELS, variables).toPromise();
  return { data, codes: error?.graphQLErrors.map(({ extensions }) => extensions.code) };
}

print({
  post: await ask({ account }, false),
  get: await ask({ account }, true),
  refused: await ask({ account: "nobody" }, false),
});

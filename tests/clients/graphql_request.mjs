// graphql-request: a query, an array of two, and one that is refused.
import { ClientError, GraphQLClient } from "graphql-request";
import { print, watchedFetch } from "./wire.mjs";

const [url, account] = process.argv.slice(2);
const CHANNELS = `query Channels($account: ID!) {
  stats(accountId: $account) { channels { total rows { channel entrances revenue } } }
}`;
const client = new GraphQLClient(url, { fetch: watchedFetch });

async function refusal(variables) {
  try {
    return await client.request(CHANNELS, variables);
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    return { status: error.response.status, codes: error.response.errors.map(({ extensions }) => extensions.code) };
  }
}

const one = await client.request(CHANNELS, { account });
const refused = await refusal({ account: "nobody" });
const array = await client.batchRequests([
  { document: CHANNELS, variables: { account } },
  { document: "query Days($account: ID!) { stats(accountId: $account) { window { days } } }", variables: { account } },
]);
print({ one, refused, array: array.map(({ data }) => data) });

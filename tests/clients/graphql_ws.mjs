// graphql-ws: a query, then a subscription of which each answer is a line, until there were two.
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const [url, account] = process.argv.slice(2);
const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0 });
const variables = { account };
setTimeout(() => process.exit(1), 60_000).unref(); // an answer that never comes

async function follow(query, wanted) {
  for await (const answer of client.iterate({ query, variables })) {
    console.log(JSON.stringify(answer));
    if (--wanted === 0) break;
  }
}

await follow("query ($account: ID!) { stats(accountId: $account) { channels { total } } }");
await follow(
  `subscription ($account: ID!) {
    dashboard(accountId: $account) { channels { total rows { channel entrances revenue } } }
  }`,
  2,
);
await client.dispose();

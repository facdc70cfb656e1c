// Uses the generated types as a page would; a line marked as an error must not compile, or tsc complains.
import type { DrillDownQuery, FunnelQuery, LiveSubscription, LiveSubscriptionVariables } from "./fanin";

export const asked: LiveSubscriptionVariables = { account: "acme", period: "today" };
// @ts-expect-error  there is no question without an account
export const lacking: LiveSubscriptionVariables = { period: "today" };

export function revenueOf({ dashboard }: LiveSubscription): string {
  // @ts-expect-error  a report that failed is null
  dashboard.overview.traffic;
  return dashboard.overview?.traffic.revenue ?? "0.00";
}

export function lostAt({ stats }: FunnelQuery): Array<[string, number]> {
  return (stats.steps?.steps ?? []).map(({ name, dropOffRate }) => [name, dropOffRate]);
}

export function landingPagesOf({ stats }: DrillDownQuery): string[] {
  return (stats.channels?.rows ?? []).flatMap(({ within }) =>
    (within?.landingPages?.rows ?? []).map(({ landingPage }) => landingPage),
  );
}

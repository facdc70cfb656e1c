SELECT 0 AS window_place, grouping(utm_source, utm_medium, utm_campaign, utm_term) AS grouping_id, utm_source, utm_medium, utm_campaign, utm_term, CAST(count(*) AS BIGINT) AS entrances_sum, CAST(sum(page_views) AS BIGINT) AS page_views_sum
FROM (
  SELECT utm_source, utm_medium, utm_campaign, utm_term, page_views
  FROM warehouse.sessions
  WHERE account = ?
    AND (day BETWEEN ? AND ?)
    AND country IN (SELECT code FROM warehouse.lexicon WHERE account = ? AND dimension = ? AND lower(value) IN (?))
)
GROUP BY GROUPING SETS ((utm_source, utm_medium, utm_campaign, utm_term));

SELECT day AS row_day, utm_source AS utm_source, utm_medium AS utm_medium, utm_campaign AS utm_campaign, utm_term AS utm_term, CAST(1 AS DOUBLE) AS entrances_sum, CAST(page_views AS DOUBLE) AS page_views_sum
FROM warehouse.sessions
WHERE account = ?
    AND (day BETWEEN ? AND ?)
    AND country IN (SELECT code FROM warehouse.lexicon WHERE account = ? AND dimension = ? AND lower(value) IN (?));

SELECT 0 AS window_place, grouping(utm_source, utm_medium, utm_campaign, utm_term, goal, goal_kind) AS grouping_id, utm_source, utm_medium, utm_campaign, utm_term, goal, goal_kind, CAST(sum(amount_cents) AS BIGINT) AS revenue_sum, CAST(count(*) AS BIGINT) AS count_sum
FROM (
  SELECT utm_source, utm_medium, utm_campaign, utm_term, goal, is_conversion AS goal_kind, amount_cents
  FROM warehouse.goals
  WHERE account = ?
    AND (day BETWEEN ? AND ?)
    AND country IN (SELECT code FROM warehouse.lexicon WHERE account = ? AND dimension = ? AND lower(value) IN (?))
)
GROUP BY GROUPING SETS ((goal_kind, goal, utm_source, utm_medium, utm_campaign, utm_term));

SELECT day AS row_day, utm_source AS utm_source, utm_medium AS utm_medium, utm_campaign AS utm_campaign, utm_term AS utm_term, goal AS goal, is_conversion AS goal_kind, CAST(amount_cents AS DOUBLE) AS revenue_sum, CAST(1 AS DOUBLE) AS count_sum
FROM warehouse.goals
WHERE account = ?
    AND (day BETWEEN ? AND ?)
    AND country IN (SELECT code FROM warehouse.lexicon WHERE account = ? AND dimension = ? AND lower(value) IN (?));

SELECT 0 AS window_place, rollup, 0 AS row_day, combination, sum(entrances) AS entrances_sum, sum(page_views) AS page_views_sum, 0 AS revenue_sum, 0 AS count_sum
FROM warehouse.sessions_by_month
WHERE account = ? AND rollup IN (15) AND (day BETWEEN ? AND ?)
GROUP BY ALL
UNION ALL
SELECT 1 AS window_place, rollup, 0 AS row_day, combination, sum(entrances) AS entrances_sum, sum(page_views) AS page_views_sum, 0 AS revenue_sum, 0 AS count_sum
FROM warehouse.sessions_by_month
WHERE account = ? AND rollup IN (15) AND (day BETWEEN ? AND ?)
GROUP BY ALL
UNION ALL
SELECT 1 AS window_place, rollup, 0 AS row_day, combination, sum(entrances) AS entrances_sum, sum(page_views) AS page_views_sum, 0 AS revenue_sum, 0 AS count_sum
FROM warehouse.sessions_by_day
WHERE account = ? AND rollup IN (15) AND (day BETWEEN ? AND ?)
GROUP BY ALL
UNION ALL
SELECT 0 AS window_place, rollup, 0 AS row_day, combination, 0 AS entrances_sum, 0 AS page_views_sum, sum(revenue) AS revenue_sum, sum(count) AS count_sum
FROM warehouse.goals_by_month
WHERE account = ? AND rollup IN (19) AND (day BETWEEN ? AND ?)
GROUP BY ALL
UNION ALL
SELECT 1 AS window_place, rollup, 0 AS row_day, combination, 0 AS entrances_sum, 0 AS page_views_sum, sum(revenue) AS revenue_sum, sum(count) AS count_sum
FROM warehouse.goals_by_month
WHERE account = ? AND rollup IN (19) AND (day BETWEEN ? AND ?)
GROUP BY ALL
UNION ALL
SELECT 1 AS window_place, rollup, 0 AS row_day, combination, 0 AS entrances_sum, 0 AS page_views_sum, sum(revenue) AS revenue_sum, sum(count) AS count_sum
FROM warehouse.goals_by_day
WHERE account = ? AND rollup IN (19) AND (day BETWEEN ? AND ?)
GROUP BY ALL;

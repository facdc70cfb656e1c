SELECT 0 AS window_place, grouping(utm_source, utm_medium, utm_campaign, utm_term, utm_content, country, device_type, landing_page, goal, goal_kind) AS grouping_id, utm_source, utm_medium, utm_campaign, utm_term, utm_content, country, device_type, landing_page, goal, goal_kind, CAST(sum(amount_cents) AS BIGINT) AS revenue_sum, CAST(count(*) AS BIGINT) AS count_sum
FROM (
  SELECT utm_source, utm_medium, utm_campaign, utm_term, utm_content, country, device_type, landing_page, goal, is_conversion AS goal_kind, amount_cents
  FROM warehouse.goals
  WHERE account = ?
    AND (day BETWEEN ? AND ?)
    AND country IN (SELECT code FROM warehouse.lexicon WHERE account = ? AND dimension = ? AND lower(value) IN (?))
)
GROUP BY GROUPING SETS ((goal_kind, goal, country), (goal_kind, goal, device_type), (goal_kind, goal, landing_page), (goal_kind, goal, utm_source, utm_medium, utm_campaign, utm_term, utm_content));

SELECT day AS row_day, utm_source AS utm_source, utm_medium AS utm_medium, utm_campaign AS utm_campaign, utm_term AS utm_term, utm_content AS utm_content, country AS country, device_type AS device_type, landing_page AS landing_page, goal AS goal, is_conversion AS goal_kind, CAST(amount_cents AS DOUBLE) AS revenue_sum, CAST(1 AS DOUBLE) AS count_sum
FROM warehouse.goals
WHERE account = ?
    AND (day BETWEEN ? AND ?)
    AND country IN (SELECT code FROM warehouse.lexicon WHERE account = ? AND dimension = ? AND lower(value) IN (?));

SELECT 0 AS window_place, rollup, 0 AS row_day, combination, sum(revenue) AS revenue_sum, sum(count) AS count_sum
FROM warehouse.goals_by_month
WHERE account = ? AND rollup IN (17, 18, 19, 20) AND (day BETWEEN ? AND ?)
GROUP BY ALL
UNION ALL
SELECT 1 AS window_place, rollup, 0 AS row_day, combination, sum(revenue) AS revenue_sum, sum(count) AS count_sum
FROM warehouse.goals_by_month
WHERE account = ? AND rollup IN (17, 18, 19, 20) AND (day BETWEEN ? AND ?)
GROUP BY ALL
UNION ALL
SELECT 1 AS window_place, rollup, 0 AS row_day, combination, sum(revenue) AS revenue_sum, sum(count) AS count_sum
FROM warehouse.goals_by_day
WHERE account = ? AND rollup IN (17, 18, 19, 20) AND (day BETWEEN ? AND ?)
GROUP BY ALL;

SELECT 0 AS window_place, grouping(goal, goal_kind) AS grouping_id, goal, goal_kind, CAST(sum(amount_cents) AS BIGINT) AS revenue_sum, CAST(count(*) AS BIGINT) AS count_sum
FROM (
  SELECT goal, is_conversion AS goal_kind, amount_cents
  FROM warehouse.goals
  WHERE account = ?
    AND (day BETWEEN ? AND ?)
    AND country IN (SELECT code FROM warehouse.lexicon WHERE account = ? AND dimension = ? AND lower(value) IN (?))
)
GROUP BY GROUPING SETS ((goal_kind, goal));

SELECT day AS row_day, goal AS goal, is_conversion AS goal_kind, CAST(amount_cents AS DOUBLE) AS revenue_sum, CAST(1 AS DOUBLE) AS count_sum
FROM warehouse.goals
WHERE account = ?
    AND (day BETWEEN ? AND ?)
    AND country IN (SELECT code FROM warehouse.lexicon WHERE account = ? AND dimension = ? AND lower(value) IN (?));

SELECT 0 AS window_place, rollup, 0 AS row_day, combination, sum(revenue) AS revenue_sum, sum(count) AS count_sum
FROM warehouse.goals_by_month
WHERE account = ? AND rollup IN (17) AND (day BETWEEN ? AND ?)
GROUP BY ALL
UNION ALL
SELECT 1 AS window_place, rollup, 0 AS row_day, combination, sum(revenue) AS revenue_sum, sum(count) AS count_sum
FROM warehouse.goals_by_month
WHERE account = ? AND rollup IN (17) AND (day BETWEEN ? AND ?)
GROUP BY ALL
UNION ALL
SELECT 1 AS window_place, rollup, 0 AS row_day, combination, sum(revenue) AS revenue_sum, sum(count) AS count_sum
FROM warehouse.goals_by_day
WHERE account = ? AND rollup IN (17) AND (day BETWEEN ? AND ?)
GROUP BY ALL;

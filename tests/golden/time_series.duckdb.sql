SELECT 0 AS window_place, grouping(day) AS grouping_id, day, CAST(count(*) AS BIGINT) AS entrances_sum, CAST(count(*) FILTER (WHERE page_views >= 2) AS BIGINT) AS engaged_entrances_sum, CAST(sum(page_views) AS BIGINT) AS page_views_sum, CAST(sum(microconversions) AS BIGINT) AS microconversions_sum, CAST(sum(conversions) AS BIGINT) AS conversions_sum, CAST(sum(revenue_cents) AS BIGINT) AS revenue_sum
FROM (
  SELECT day, page_views, conversions, microconversions, revenue_cents
  FROM warehouse.sessions
  WHERE account = ?
    AND (day BETWEEN ? AND ?)
    AND country IN (SELECT code FROM warehouse.lexicon WHERE account = ? AND dimension = ? AND lower(value) IN (?))
)
GROUP BY GROUPING SETS ((day))
UNION ALL
SELECT 1 AS window_place, grouping(day) AS grouping_id, day, CAST(count(*) AS BIGINT) AS entrances_sum, CAST(count(*) FILTER (WHERE page_views >= 2) AS BIGINT) AS engaged_entrances_sum, CAST(sum(page_views) AS BIGINT) AS page_views_sum, CAST(sum(microconversions) AS BIGINT) AS microconversions_sum, CAST(sum(conversions) AS BIGINT) AS conversions_sum, CAST(sum(revenue_cents) AS BIGINT) AS revenue_sum
FROM (
  SELECT day, page_views, conversions, microconversions, revenue_cents
  FROM warehouse.sessions
  WHERE account = ?
    AND (day BETWEEN ? AND ?)
    AND country IN (SELECT code FROM warehouse.lexicon WHERE account = ? AND dimension = ? AND lower(value) IN (?))
)
GROUP BY GROUPING SETS ((day));

SELECT day AS row_day, day AS day, CAST(1 AS DOUBLE) AS entrances_sum, CAST(CASE WHEN page_views >= 2 THEN 1 ELSE 0 END AS DOUBLE) AS engaged_entrances_sum, CAST(page_views AS DOUBLE) AS page_views_sum, CAST(microconversions AS DOUBLE) AS microconversions_sum, CAST(conversions AS DOUBLE) AS conversions_sum, CAST(revenue_cents AS DOUBLE) AS revenue_sum
FROM warehouse.sessions
WHERE account = ?
    AND (day BETWEEN ? AND ? OR day BETWEEN ? AND ?)
    AND country IN (SELECT code FROM warehouse.lexicon WHERE account = ? AND dimension = ? AND lower(value) IN (?));

SELECT -1 AS window_place, rollup, day AS row_day, combination, entrances AS entrances_sum, engaged_entrances AS engaged_entrances_sum, page_views AS page_views_sum, microconversions AS microconversions_sum, conversions AS conversions_sum, revenue AS revenue_sum
FROM warehouse.sessions_by_day
WHERE account = ? AND rollup IN (1) AND (day BETWEEN ? AND ? OR day BETWEEN ? AND ?);

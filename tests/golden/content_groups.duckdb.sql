SELECT 0 AS window_place, grouping(path, content_grouping) AS grouping_id, path, content_grouping, CAST(count(*) FILTER (WHERE is_entrance) AS BIGINT) AS entrances_sum, CAST(count(*) AS BIGINT) AS page_views_sum
FROM (
  SELECT path, content_grouping, is_entrance
  FROM warehouse.page_views
  WHERE account = ?
    AND (day BETWEEN ? AND ?)
    AND country IN (SELECT code FROM warehouse.lexicon WHERE account = ? AND dimension = ? AND lower(value) IN (?))
)
GROUP BY GROUPING SETS ((path, content_grouping))
UNION ALL
SELECT 1 AS window_place, grouping(path, content_grouping) AS grouping_id, path, content_grouping, CAST(count(*) FILTER (WHERE is_entrance) AS BIGINT) AS entrances_sum, CAST(count(*) AS BIGINT) AS page_views_sum
FROM (
  SELECT path, content_grouping, is_entrance
  FROM warehouse.page_views
  WHERE account = ?
    AND (day BETWEEN ? AND ?)
    AND country IN (SELECT code FROM warehouse.lexicon WHERE account = ? AND dimension = ? AND lower(value) IN (?))
)
GROUP BY GROUPING SETS ((path, content_grouping));

SELECT day AS row_day, path AS path, content_grouping AS content_grouping, CAST(CASE WHEN is_entrance THEN 1 ELSE 0 END AS DOUBLE) AS entrances_sum, CAST(1 AS DOUBLE) AS page_views_sum
FROM warehouse.page_views
WHERE account = ?
    AND (day BETWEEN ? AND ? OR day BETWEEN ? AND ?)
    AND country IN (SELECT code FROM warehouse.lexicon WHERE account = ? AND dimension = ? AND lower(value) IN (?));

SELECT 0 AS window_place, rollup, 0 AS row_day, combination, sum(entrances) AS entrances_sum, sum(page_views) AS page_views_sum
FROM warehouse.page_views_by_month
WHERE account = ? AND rollup IN (16) AND (day BETWEEN ? AND ?)
GROUP BY ALL
UNION ALL
SELECT 1 AS window_place, rollup, 0 AS row_day, combination, sum(entrances) AS entrances_sum, sum(page_views) AS page_views_sum
FROM warehouse.page_views_by_month
WHERE account = ? AND rollup IN (16) AND (day BETWEEN ? AND ?)
GROUP BY ALL
UNION ALL
SELECT 1 AS window_place, rollup, 0 AS row_day, combination, sum(entrances) AS entrances_sum, sum(page_views) AS page_views_sum
FROM warehouse.page_views_by_day
WHERE account = ? AND rollup IN (16) AND (day BETWEEN ? AND ?)
GROUP BY ALL;

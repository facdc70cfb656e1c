SELECT 0 AS window_place, grouping(path) AS grouping_id, path, CAST(count(*) FILTER (WHERE is_entrance) AS BIGINT) AS entrances_sum, CAST(count(*) FILTER (WHERE is_entrance AND is_engaged) AS BIGINT) AS engaged_entrances_sum, CAST(count(*) AS BIGINT) AS page_views_sum
FROM (
  SELECT path, is_entrance, is_engaged
  FROM warehouse.page_views
  WHERE account = ?
    AND (day BETWEEN ? AND ?)
    AND country IN (SELECT code FROM warehouse.lexicon WHERE account = ? AND dimension = ? AND lower(value) IN (?))
)
GROUP BY GROUPING SETS ((path));

SELECT day AS row_day, path AS path, CAST(CASE WHEN is_entrance THEN 1 ELSE 0 END AS DOUBLE) AS entrances_sum, CAST(CASE WHEN is_entrance AND is_engaged THEN 1 ELSE 0 END AS DOUBLE) AS engaged_entrances_sum, CAST(1 AS DOUBLE) AS page_views_sum
FROM warehouse.page_views
WHERE account = ?
    AND (day BETWEEN ? AND ?)
    AND country IN (SELECT code FROM warehouse.lexicon WHERE account = ? AND dimension = ? AND lower(value) IN (?));

SELECT 0 AS window_place, rollup, 0 AS row_day, combination, sum(entrances) AS entrances_sum, sum(engaged_entrances) AS engaged_entrances_sum, sum(page_views) AS page_views_sum
FROM warehouse.page_views_by_month
WHERE account = ? AND rollup IN (16) AND (day BETWEEN ? AND ?)
GROUP BY ALL
UNION ALL
SELECT 1 AS window_place, rollup, 0 AS row_day, combination, sum(entrances) AS entrances_sum, sum(engaged_entrances) AS engaged_entrances_sum, sum(page_views) AS page_views_sum
FROM warehouse.page_views_by_month
WHERE account = ? AND rollup IN (16) AND (day BETWEEN ? AND ?)
GROUP BY ALL
UNION ALL
SELECT 1 AS window_place, rollup, 0 AS row_day, combination, sum(entrances) AS entrances_sum, sum(engaged_entrances) AS engaged_entrances_sum, sum(page_views) AS page_views_sum
FROM warehouse.page_views_by_day
WHERE account = ? AND rollup IN (16) AND (day BETWEEN ? AND ?)
GROUP BY ALL;

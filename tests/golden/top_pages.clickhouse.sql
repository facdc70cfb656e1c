SELECT 0 AS window_place, 0 AS grouping_place, toUInt32(path) AS code_1, sumIf(sign, is_entrance) AS entrances_sum, sumIf(sign, is_entrance AND is_engaged) AS engaged_entrances_sum, sum(sign) AS page_views_sum
FROM page_views
WHERE account = {p0:UInt64} AND version <= {p1:UInt32}
    AND (day BETWEEN {p2:Int64} AND {p3:Int64})
    AND country IN (SELECT code FROM lexicon WHERE account = {p4:UInt64} AND dimension = {p5:String} AND folded IN ({p6:String}))
GROUP BY path
HAVING sum(sign) > 0;

SELECT 0 AS window_place, rollup, toInt32(0) AS row_day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, sum(told_entrances) AS entrances_sum, sum(told_engaged_entrances) AS engaged_entrances_sum, sum(told_page_views) AS page_views_sum
FROM (
SELECT rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, entrances AS told_entrances, engaged_entrances AS told_engaged_entrances, page_views AS told_page_views FROM page_views_by_month WHERE account = {p0:UInt64} AND version <= {p1:UInt32} AND rollup IN (16) AND day BETWEEN {p2:Int64} AND {p3:Int64}
)
GROUP BY row_day, rollup, code_1, code_2, code_3, code_4, code_5, code_6, code_7
HAVING sum(told_page_views) > 0
UNION ALL
SELECT 1 AS window_place, rollup, toInt32(0) AS row_day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, sum(told_entrances) AS entrances_sum, sum(told_engaged_entrances) AS engaged_entrances_sum, sum(told_page_views) AS page_views_sum
FROM (
SELECT rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, entrances AS told_entrances, engaged_entrances AS told_engaged_entrances, page_views AS told_page_views FROM page_views_by_month WHERE account = {p4:UInt64} AND version <= {p5:UInt32} AND rollup IN (16) AND day BETWEEN {p6:Int64} AND {p7:Int64}
UNION ALL
SELECT rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, entrances AS told_entrances, engaged_entrances AS told_engaged_entrances, page_views AS told_page_views FROM page_views_by_day WHERE account = {p8:UInt64} AND version <= {p9:UInt32} AND rollup IN (16) AND day BETWEEN {p10:Int64} AND {p11:Int64}
)
GROUP BY row_day, rollup, code_1, code_2, code_3, code_4, code_5, code_6, code_7
HAVING sum(told_page_views) > 0;

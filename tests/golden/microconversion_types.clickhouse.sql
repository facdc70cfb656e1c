SELECT 0 AS window_place, 0 AS grouping_place, toUInt32(is_conversion) AS code_1, toUInt32(goal) AS code_2, sum(sign * amount_cents) AS revenue_sum, sum(sign) AS count_sum
FROM goals
WHERE account = {p0:UInt64} AND version <= {p1:UInt32}
    AND (day BETWEEN {p2:Int64} AND {p3:Int64})
    AND country IN (SELECT code FROM lexicon WHERE account = {p4:UInt64} AND dimension = {p5:String} AND folded IN ({p6:String}))
GROUP BY is_conversion, goal
HAVING sum(sign) > 0;

SELECT 0 AS window_place, rollup, toInt32(0) AS row_day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, sum(told_revenue) AS revenue_sum, sum(told_count) AS count_sum
FROM (
SELECT rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, revenue AS told_revenue, count AS told_count FROM goals_by_month WHERE account = {p0:UInt64} AND version <= {p1:UInt32} AND rollup IN (17) AND day BETWEEN {p2:Int64} AND {p3:Int64}
)
GROUP BY row_day, rollup, code_1, code_2, code_3, code_4, code_5, code_6, code_7
HAVING sum(told_count) > 0
UNION ALL
SELECT 1 AS window_place, rollup, toInt32(0) AS row_day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, sum(told_revenue) AS revenue_sum, sum(told_count) AS count_sum
FROM (
SELECT rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, revenue AS told_revenue, count AS told_count FROM goals_by_month WHERE account = {p4:UInt64} AND version <= {p5:UInt32} AND rollup IN (17) AND day BETWEEN {p6:Int64} AND {p7:Int64}
UNION ALL
SELECT rollup, day, code_1, code_2, code_3, code_4, code_5, code_6, code_7, revenue AS told_revenue, count AS told_count FROM goals_by_day WHERE account = {p8:UInt64} AND version <= {p9:UInt32} AND rollup IN (17) AND day BETWEEN {p10:Int64} AND {p11:Int64}
)
GROUP BY row_day, rollup, code_1, code_2, code_3, code_4, code_5, code_6, code_7
HAVING sum(told_count) > 0;

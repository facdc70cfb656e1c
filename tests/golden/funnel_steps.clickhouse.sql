SELECT session, moment, path AS path
FROM page_views
WHERE account = {p0:UInt64} AND version <= {p1:UInt32}
    AND (day BETWEEN {p2:Int64} AND {p3:Int64})
    AND country IN (SELECT code FROM lexicon WHERE account = {p4:UInt64} AND dimension = {p5:String} AND folded IN ({p6:String}))
    AND path IN (SELECT code FROM lexicon WHERE account = {p7:UInt64} AND dimension = {p8:String} AND value IN ({p9:String}, {p10:String}))
    AND sign > 0
    AND session NOT IN (SELECT session FROM sessions WHERE account = {p11:UInt64} AND version <= {p12:UInt32} AND sign < 0);

SELECT session, moment, goal AS goal
FROM goals
WHERE account = {p0:UInt64} AND version <= {p1:UInt32}
    AND (day BETWEEN {p2:Int64} AND {p3:Int64})
    AND country IN (SELECT code FROM lexicon WHERE account = {p4:UInt64} AND dimension = {p5:String} AND folded IN ({p6:String}))
    AND goal IN (SELECT code FROM lexicon WHERE account = {p7:UInt64} AND dimension = {p8:String} AND folded IN ({p9:String}, {p10:String}))
    AND sign > 0
    AND session NOT IN (SELECT session FROM sessions WHERE account = {p11:UInt64} AND version <= {p12:UInt32} AND sign < 0);

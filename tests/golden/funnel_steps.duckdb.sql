SELECT session, moment, path AS path
FROM warehouse.page_views
WHERE account = ?
    AND (day BETWEEN ? AND ?)
    AND country IN (SELECT code FROM warehouse.lexicon WHERE account = ? AND dimension = ? AND lower(value) IN (?))
    AND path IN (SELECT code FROM warehouse.lexicon WHERE account = ? AND dimension = ? AND value IN (?, ?));

SELECT session, moment, goal AS goal
FROM warehouse.goals
WHERE account = ?
    AND (day BETWEEN ? AND ?)
    AND country IN (SELECT code FROM warehouse.lexicon WHERE account = ? AND dimension = ? AND lower(value) IN (?))
    AND goal IN (SELECT code FROM warehouse.lexicon WHERE account = ? AND dimension = ? AND lower(value) IN (?, ?));

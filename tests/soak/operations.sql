-- What the apps do, a line each: how often, and statements. :app and :n tell the
-- transaction, :r is a random number of 31 bits.
30 | UPDATE hot SET a = :app || ':' || :n WHERE id = :r % 20
20 | UPDATE hot SET b = 'b' || (:r % 7) WHERE id = (:r / 7) % 20
20 | UPDATE hot SET c = c + 1 WHERE id = :r % 20
15 | INSERT INTO hot VALUES(:r % 20, :n, NULL, 0, :r / 3.0) ON CONFLICT(id) DO UPDATE SET d = excluded.d
8 | DELETE FROM hot WHERE id = :r % 20
5 | UPDATE OR REPLACE hot SET id = (:r / 20) % 20 WHERE id = :r % 20
3 | UPDATE hot SET d = d * -1.5, b = 'all' WHERE id % 5 = :r % 5
40 | INSERT INTO pairs VALUES(:r % 15, 0, :app || ':' || :n), (:r % 15, 1, :app || ':' || :n) ON CONFLICT DO UPDATE SET value = excluded.value
8 | DELETE FROM pairs WHERE id = :r % 15
40 | INSERT OR REPLACE INTO names VALUES(:r % 200, 'name ' || (:r / 200) % 60, :app)
20 | UPDATE OR REPLACE names SET name = 'name ' || (:r / 200) % 60 WHERE id = :r % 200
10 | UPDATE OR IGNORE names SET id = (:r / 200) % 200, tag = NULL WHERE id = :r % 200
8 | DELETE FROM names WHERE id % 40 = :r % 40
3 | DELETE FROM renamed WHERE substr(id, 1, 1) = substr('0123456789ABCDEF', 1 + :r % 16, 1)
60 | INSERT OR REPLACE INTO legs VALUES(:app, :n, -1, :r % 1000, randomblob(:r % 300)), (:app, :n, -2, 5 - :r % 1000, NULL), (:app, :n, -3, -5, 'it''s "' || char(228, 8364, 128512))
8 | DELETE FROM legs WHERE app = :app AND n < :n - 200
1 | WITH RECURSIVE i(leg) AS (SELECT 0 UNION ALL SELECT leg + 1 FROM i WHERE leg < 199 + (:r % 16 = 0) * 4000) INSERT OR REPLACE INTO legs SELECT :app, :n, leg, CASE leg % 2 WHEN 0 THEN :r % 100 ELSE -(:r % 100) END, randomblob(250) FROM i

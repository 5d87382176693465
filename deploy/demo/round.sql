-- One round of everyday work on node :node, the :round-th: transactions of one to
-- some forty rows.

-- New objects with their first copy, and a count of the rounds.
BEGIN IMMEDIATE;
INSERT INTO objects(key, size, sha256, owner, modified)
WITH RECURSIVE number(n) AS (VALUES(0) UNION ALL SELECT n + 1 FROM number WHERE n < :round % 5)
SELECT printf('logs/%s/%05d-%d.gz', :node, :round, n), abs(random()) % 90000, lower(hex(randomblob(32))), 'system',
       strftime('%Y-%m-%dT%H:%M:%SZ', 'now')
FROM number;
INSERT INTO placements(object, node, url, state)
SELECT key, :node, printf('https://%s.example.org/%s', :node, key), 'copying' FROM objects
WHERE key LIKE printf('logs/%s/%05d-%%', :node, :round);
INSERT INTO kv(namespace, key, value) VALUES('rounds', :node, :round)
ON CONFLICT(namespace, key) DO UPDATE SET value = excluded.value;
COMMIT;

-- A photo of this node's own is edited.
UPDATE objects SET size = size + 17, sha256 = lower(hex(randomblob(32))), modified = strftime('%Y-%m-%dT%H:%M:%SZ', 'now')
WHERE key = printf('photos/2025/%s-%05d.jpg', :node, 1 + :round % 400);

-- Copies that are complete, and copies of what other nodes have meanwhile.
BEGIN IMMEDIATE;
UPDATE placements SET state = 'ready' WHERE node = :node AND state = 'copying';
INSERT INTO placements(object, node, url, state)
SELECT key, :node, printf('https://%s.example.org/%s', :node, key), 'copying' FROM objects
WHERE NOT EXISTS (SELECT 1 FROM placements WHERE object = key AND node = :node)
ORDER BY key LIMIT 1 + (:round * 5) % 16;
COMMIT;

-- A lease that is taken and one that has run out.
INSERT INTO kv(namespace, key, value, expires)
VALUES('lease', printf('%s-%05d', :node, :round), randomblob(16), strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '+30 seconds'));
DELETE FROM kv WHERE namespace = 'lease' AND key = printf('%s-%05d', :node, :round - 5);

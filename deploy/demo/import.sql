-- One large transaction: node :node enters what lies in its store already.
BEGIN IMMEDIATE;

INSERT INTO objects(key, size, sha256, owner, modified)
WITH RECURSIVE number(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM number WHERE n < 400)
SELECT printf('photos/2025/%s-%05d.jpg', :node, n), 20000 + abs(random()) % 4000000, lower(hex(randomblob(32))),
       CASE n % 3 WHEN 0 THEN 'ada' WHEN 1 THEN 'grace' ELSE 'edsger' END,
       strftime('%Y-%m-%dT%H:%M:%SZ', '2025-01-01', (n * 7919) || ' seconds')
FROM number;

INSERT INTO placements(object, node, url, state)
SELECT key, :node, printf('https://%s.example.org/%s', :node, key), 'ready' FROM objects
WHERE key LIKE printf('photos/2025/%s-%%', :node);

COMMIT;

DELETE FROM jobs WHERE kind = 'send_many';
-- the program before knows no such lane
UPDATE jobs SET lane = COALESCE((SELECT CASE n.channel WHEN 'sms' THEN 'texts' ELSE 'email' END FROM notifications n
  WHERE n.id = jobs.subject_id), 'email') WHERE lane = 'many';
DROP TABLE broadcast_recipients;
DROP TABLE broadcasts;

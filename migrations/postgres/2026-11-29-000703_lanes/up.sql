-- jobs are worked in lanes, so that nothing that hangs holds up anything else, and within a lane by party
ALTER TABLE jobs ADD COLUMN lane TEXT NOT NULL DEFAULT 'email';
ALTER TABLE jobs ADD COLUMN party TEXT NOT NULL DEFAULT '';
UPDATE jobs SET lane = CASE kind
  WHEN 'send_passcode' THEN 'passcodes'
  WHEN 'follow_up' THEN 'plans'
  WHEN 'tell_staff' THEN 'staff'
  WHEN 'scan_file' THEN 'scans'
  ELSE COALESCE((SELECT CASE n.channel WHEN 'sms' THEN 'texts' ELSE 'email' END FROM notifications n
    WHERE n.id = jobs.subject_id), 'email')
  END;
CREATE INDEX jobs_lane ON jobs (lane, run_at, id);
-- when a worker last looked at the queue
CREATE TABLE worker_looks (
  part TEXT PRIMARY KEY NOT NULL,
  at TIMESTAMPTZ NOT NULL
);

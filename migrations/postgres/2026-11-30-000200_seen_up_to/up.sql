-- Up to which message a participant has looked: the first after it is where their page opens. None: nobody knows, as for everybody
-- until they look the next time. It names a message without holding it: what it is compared with comes later anyway.
ALTER TABLE participants ADD COLUMN seen_id BIGINT;

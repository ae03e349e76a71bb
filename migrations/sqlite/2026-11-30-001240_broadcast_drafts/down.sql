DROP TABLE broadcast_drafts;

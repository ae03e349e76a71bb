DROP TABLE conversation_drafts;

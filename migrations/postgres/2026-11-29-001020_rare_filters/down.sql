DROP INDEX conversations_open;
DROP INDEX conversations_waiting;
DROP INDEX participants_done;
DROP INDEX notifications_state_kind;
DROP INDEX notifications_state_channel;
DROP INDEX notifications_channel;

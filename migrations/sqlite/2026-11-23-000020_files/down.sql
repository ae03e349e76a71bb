DROP TABLE attachments;
DROP TABLE uploads;
DROP TABLE stray_files;
DROP TABLE blobs;

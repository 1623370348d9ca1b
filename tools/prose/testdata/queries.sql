-- What has its end stores NULL. HABIT
SELECT 'nobody'; -- whoever comes first HABIT
-- Final payments store NULL.

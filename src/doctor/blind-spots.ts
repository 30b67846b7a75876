// What no doctor of databases can see, wherever it looks. It is said every time, so that nobody takes the verdict for more than it is.

export const blindSpots: readonly string[] = [
  'Poolers between the application and PostgreSQL, as PgBouncer: their mode, their logins, what they share.',
  'Caches, queues, files and search indexes beside the database, and whether their keys name the tenant.',
  'The application: which tenant it binds for whom, and what it keeps in memory between requests.',
  'Who may reach the servers over the network, pg_hba.conf, and who has their files, their backups and their passwords.',
  'Rows: it reads catalogs alone, so that a row that was written under the wrong tenant looks like any other.',
]

// The newest minor versions let a server name the plugins that may read its log.

import { type MoveCheck, onEachServer } from '../check.ts'

/** https://www.postgresql.org/docs/current/runtime-config-replication.html, output_plugin_libraries */
export const outputPlugin: MoveCheck = {
  rule: 'output-plugin',
  level: 'refuse',
  check: (survey) =>
    onEachServer(survey, ({ server: { settings } }) => {
      const listed = settings['output_plugin_libraries']
      if (listed === undefined) return []
      const names = listed.split(',').map((name) => name.trim().replace(/^"(.*)"$/, '$1'))
      if (names.includes('pgoutput') || names.includes('*')) return []
      const wanted = [...names.filter((name) => name !== ''), 'pgoutput'].map((name) => `"${name}"`).join(', ')
      return [
        {
          object: 'output_plugin_libraries',
          problem: `It is ${JSON.stringify(listed)}, without pgoutput, through which PostgreSQL replicates: the move's login may not use it.`,
          fix: `alter system set output_plugin_libraries = ${wanted};\nselect pg_catalog.pg_reload_conf();`,
        },
      ]
    }),
}

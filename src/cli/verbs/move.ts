// partywall move: a tenant from one placement to another, while it is served. One file each in verbs/move/.

import { group } from '../verb.ts'

export const move = group({
  summary: 'Move tenants between placements and servers while they are served',
  details:
    'start copies, and keeps both places in step; switch lets the other place serve; reverse goes back; complete or cancel ends it. Ctrl-C leaves a move where it stands.',
  examples: ['partywall move start acme --to server --reason "contract 4711"', 'partywall move status acme', 'partywall move switch acme'],
  verbs: {
    start: async () => (await import('./move/start.ts')).start,
    status: async () => (await import('./move/status.ts')).status,
    verify: async () => (await import('./move/verify.ts')).verify,
    switch: async () => (await import('./move/switch.ts')).switchOver,
    reverse: async () => (await import('./move/reverse.ts')).reverse,
    complete: async () => (await import('./move/complete.ts')).complete,
    cancel: async () => (await import('./move/cancel.ts')).cancel,
    list: async () => (await import('./move/list.ts')).list,
    resume: async () => (await import('./move/resume.ts')).resume,
    reap: async () => (await import('./move/reap.ts')).reap,
    plan: async () => (await import('./move/plan.ts')).plan,
    rebalance: async () => (await import('./move/rebalance.ts')).rebalance,
    demo: async () => (await import('./move/demo.ts')).demo,
  },
})

// Who acts.

/** On whose behalf the code runs. `system` is partywall itself or a job without a person. */
export type Actor =
  | { readonly kind: 'user'; readonly id: string }
  | { readonly kind: 'service'; readonly id: string }
  | { readonly kind: 'staff'; readonly id: string }
  | { readonly kind: 'system'; readonly id: string }

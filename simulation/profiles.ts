/** What goes on in a world: how often each kind of program is started beside others. */
export const PROFILES = {
  mixed: { backup: 5, restore: 2, forget: 3, hold: 1, prune: 4, verify: 1 },
  /** What is stored is soon forgotten, and comes again. */
  churn: { backup: 6, restore: 0, forget: 4, hold: 0, prune: 6, verify: 0 },
  reading: { backup: 3, restore: 5, forget: 5, hold: 0, prune: 6, verify: 0 },
  forgetting: { backup: 4, restore: 0, forget: 8, hold: 0, prune: 6, verify: 0 },
  collecting: { backup: 6, restore: 0, forget: 4, hold: 0, prune: 12, verify: 0 },
} as const;

export type ProfileName = keyof typeof PROFILES;
export type ActorName = keyof (typeof PROFILES)[ProfileName];

/**
 * Which workspaces this node projects. Where the store is shared, the nodes divide them among each
 * other; where each node has a store of its own, every node projects them all.
 */
export interface Shares {
  /** Whether a workspace is this node's. Two nodes may both think so for a while. */
  has(workspace: string): boolean;
  /** Tells, from now on, whenever the answers may have changed. */
  onChanged(listener: () => void): void;
  close(): Promise<void>;
}

/** Of a node that shares with no other. */
export const ALL_SHARES: Shares = {
  has: () => true,
  onChanged: () => undefined,
  close: () => Promise.resolve(),
};

/** Of a node that projects nothing. */
export const NO_SHARES: Shares = { ...ALL_SHARES, has: () => false };

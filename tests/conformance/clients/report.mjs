// Prints what a client saw and ends, after the last byte is out.
export const report = (seen) => process.stdout.write(JSON.stringify(seen) + '\n', () => process.exit(0));

// What went wrong with an attempt, as the client tells its user.
export const refusal = async (attempt) => {
  try {
    await attempt();
    return 'accepted';
  } catch (error) {
    return error.message;
  }
};

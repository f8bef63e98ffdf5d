// Makes the replica set of one and the site's own user. Safe to repeat.
const root = encodeURIComponent(process.env.MONGODB_ROOT_PASSWORD);
const admin = connect(`mongodb://root:${root}@mongodb:27017/admin?directConnection=true`);

try {
  admin.adminCommand({ replSetGetStatus: 1 });
} catch (error) {
  if (error.codeName !== "NotYetInitialized") throw error;
  admin.adminCommand({
    replSetInitiate: { _id: "rs0", members: [{ _id: 0, host: "mongodb:27017" }] },
  });
}
for (let i = 0; i < 120 && !admin.hello().isWritablePrimary; i++) sleep(500);

const claudelens = admin.getSiblingDB("claudelens");
const user = { pwd: process.env.MONGODB_PASSWORD, roles: ["readWrite", "dbAdmin"] };
if (claudelens.getUser("claudelens")) claudelens.updateUser("claudelens", user);
else claudelens.createUser({ user: "claudelens", ...user });
print("MongoDB is ready.");

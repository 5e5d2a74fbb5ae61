//go:build cgo

package history_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
)

// Order has lines.
type Order struct {
	ID       uint
	Customer string
	Price    int
}

// Line is one of an order's.
type Line struct {
	ID      uint
	OrderID uint
	Text    string
}

// Post has tags, by the join table of PostTag.
type Post struct {
	ID   uint
	Tags []Tag `gorm:"many2many:post_tags"`
}

// Tag is one of posts.
type Tag struct{ ID uint }

// PostTag says that a post has a tag.
type PostTag struct {
	PostID uint `gorm:"primaryKey"`
	TagID  uint `gorm:"primaryKey"`
}

// openShop returns a database in which alice (1) took an order of two lines and
// deleted it with them, bob (2) changed the price of another, and somebody wrote by
// hand. monday is before all but the orders.
func openShop() (db *gorm.DB, monday time.Time, end func()) {
	db, end = openExample()
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	alice := db.WithContext(actor.NewContext(context.Background(), actor.User(1)))
	bob := db.WithContext(actor.NewContext(context.Background(), actor.User(2)))
	check(history.Migrate(db, &Order{}, &Line{}))
	check(alice.Create(&[]Order{{ID: 17, Customer: "Miller", Price: 900}, {ID: 18, Customer: "Smith", Price: 40}}).Error)
	check(alice.Create(&[]Line{{ID: 1, OrderID: 17, Text: "rope"}, {ID: 2, OrderID: 17, Text: "torch"}, {ID: 3, OrderID: 18, Text: "map"}}).Error)
	time.Sleep(3 * time.Millisecond)
	monday = time.Now()
	time.Sleep(3 * time.Millisecond)
	check(bob.Model(&Order{ID: 18}).Update("price", 45).Error)
	check(alice.Transaction(func(tx *gorm.DB) error {
		if err := tx.Where("order_id = 17").Delete(&Line{}).Error; err != nil {
			return err
		}
		return tx.Delete(&Order{ID: 17}).Error
	}))
	pool, err := db.DB()
	check(err)
	_, err = pool.Exec("UPDATE orders SET customer = 'Smith & Sons' WHERE id = 18") // no program said who
	check(err)
	return db, monday, end
}

// tell prints who did what to which row.
func tell(changes []history.Change, err error) {
	if err != nil {
		panic(err)
	}
	for _, c := range changes {
		who := "somebody unknown"
		if c.ChangeSet.Attributed {
			who = c.ChangeSet.Actor.String()
		}
		fmt.Println(who, c.Action, c.Table, strings.Join(c.Key, ","))
	}
}

// What happened to these tables since Monday?
func ExampleFind_table() {
	db, monday, end := openShop()
	defer end()
	tell(history.Find(db, history.Query{Tables: []any{&Order{}, &Line{}}, Since: monday}))
	// Output:
	// somebody unknown update orders 18
	// user:1 delete orders 17
	// user:1 delete lines 2
	// user:1 delete lines 1
	// user:2 update orders 18
}

// Who ever changed a price?
func ExampleFind_column() {
	db, _, end := openShop()
	defer end()
	tell(history.Find(db, history.Query{Tables: []any{&Order{}}, Columns: []string{"price"}, Actions: []history.Action{history.ActionUpdate}}))
	// Output:
	// user:2 update orders 18
}

// What did somebody do, in their own name or in another's?
func ExampleFind_actor() {
	db, monday, end := openShop()
	defer end()
	tell(history.Find(db, history.Query{Actors: []actor.Identity{actor.User(2).Identity}, Since: monday}))
	// Output:
	// user:2 update orders 18
}

// What went past the application: psql, a migration?
func ExampleFind_unattributed() {
	db, _, end := openShop()
	defer end()
	tell(history.Find(db, history.Query{Unattributed: true}))
	// Output:
	// somebody unknown update orders 18
}

// historyOf returns what happened to an order and to each line that it ever had. A
// line's order_id is in the changes that created, moved and deleted the line.
func historyOf(db *gorm.DB, order *Order) ([]history.Change, error) {
	rows, id := []any{order}, fmt.Sprint(order.ID)
	for c, err := range history.All(db, history.Query{Tables: []any{&Line{}}, Columns: []string{"order_id"}}) {
		if err != nil {
			return nil, err
		}
		owner, _ := c.Field("order_id")
		if owner.Before.String() == id || owner.After.String() == id {
			line, err := strconv.ParseUint(c.Key[0], 10, 0)
			if err != nil {
				return nil, err
			}
			rows = append(rows, &Line{ID: uint(line)})
		}
	}
	return history.Find(db, history.Query{Rows: rows})
}

// What happened to an order and to its lines, deleted ones too?
func ExampleFind_children() {
	db, _, end := openShop()
	defer end()
	tell(historyOf(db, &Order{ID: 17}))
	// Output:
	// user:1 delete orders 17
	// user:1 delete lines 2
	// user:1 delete lines 1
	// user:1 create lines 2
	// user:1 create lines 1
	// user:1 create orders 17
}

// tagChangesOf returns who added tags to a post, and who took them away.
func tagChangesOf(db *gorm.DB, post *Post) (found []history.Change, err error) {
	for c, err := range history.All(db, history.Query{Tables: []any{&PostTag{}}}) {
		if err != nil {
			return nil, err
		}
		if c.Key[0] == fmt.Sprint(post.ID) { // post_id, which comes before tag_id
			found = append(found, c)
		}
	}
	return found, nil
}

// Who added tags to a post, and who took them away?
func ExampleFind_many2many() {
	db, end := openExample()
	defer end()
	alice := db.WithContext(actor.NewContext(context.Background(), actor.User(1)))
	bob := db.WithContext(actor.NewContext(context.Background(), actor.User(2)))
	post, rope := Post{ID: 1}, Tag{ID: 5}
	if err := errors.Join(
		db.SetupJoinTable(&Post{}, "Tags", &PostTag{}),
		history.Migrate(db, &Post{}, &Tag{}, &PostTag{}),
		alice.Create(&[]Post{{ID: 1, Tags: []Tag{rope, {ID: 6}}}, {ID: 2, Tags: []Tag{rope}}}).Error,
		bob.Model(&post).Association("Tags").Delete(&rope),
	); err != nil {
		panic(err)
	}
	tell(tagChangesOf(db, &post))
	fmt.Println("tag 5 alone:")
	tell(history.Find(db, history.Query{Rows: []any{&PostTag{PostID: 1, TagID: 5}}}))
	// Output:
	// user:2 delete post_tags 1,5
	// user:1 create post_tags 1,6
	// user:1 create post_tags 1,5
	// tag 5 alone:
	// user:2 delete post_tags 1,5
	// user:1 create post_tags 1,5
}

// Who touched each row of this page last, and what are their names?
func ExampleLast() {
	db, _, end := openShop()
	defer end()
	page := []Line{{ID: 1}, {ID: 3}, {ID: 99}}
	last, err := history.Last(db, page)
	if err != nil {
		panic(err)
	}
	for i, c := range last {
		fmt.Println("line", page[i].ID, c.Action, c.ChangeSet.Actor)
	}
	fmt.Println("SELECT id, name FROM users WHERE id IN", history.Users(last))
	// Output:
	// line 1 delete user:1
	// line 3 create user:1
	// line 99  anonymous
	// SELECT id, name FROM users WHERE id IN [1]
}

// What did the order look like after each of its changes?
func ExampleEnds() {
	db, _, end := openShop()
	defer end()
	changes, err := history.Of(db, &Order{ID: 18})
	if err != nil {
		panic(err)
	}
	ends, err := history.Ends(db, changes)
	if err != nil {
		panic(err)
	}
	for i, c := range changes {
		order, err := history.At[Order](db, 18, ends[i])
		fmt.Println("after the", c.Action, "by", c.ChangeSet.Actor, "the price was", order.Price, err)
	}
	// Output:
	// after the update by anonymous the price was 45 <nil>
	// after the update by user:2 the price was 45 <nil>
	// after the create by user:1 the price was 40 <nil>
}

// What did the lines look like on Monday?
func ExampleAllAt() {
	db, monday, end := openShop()
	defer end()
	for line, err := range history.AllAt[Line](db, monday) {
		if err != nil {
			panic(err)
		}
		fmt.Println(line.ID, line.OrderID, line.Text)
	}
	// Output:
	// 1 17 rope
	// 2 17 torch
	// 3 18 map
}

// Put the order back as it was on Monday.
func ExampleRestore() {
	db, monday, end := openShop()
	defer end()
	carol := db.WithContext(actor.NewContext(context.Background(), actor.User(3)))
	made, err := history.Restore[Order](carol, 17, monday)
	tell([]history.Change{made}, err)
	// Output:
	// user:3 create orders 17
}

// Hand everything to the auditors.
func ExampleWriteNDJSON() {
	db, monday, end := openShop()
	defer end()
	var out strings.Builder
	if err := history.WriteNDJSON(&out, history.All(db, history.Query{Until: monday})); err != nil {
		panic(err)
	}
	fmt.Println(strings.Count(out.String(), "\n"), "lines of JSON")
	// Output:
	// 5 lines of JSON
}

func ExampleWriteCSV() {
	db, _, end := openShop()
	defer end()
	err := history.WriteCSV(os.Stdout, history.All(db, history.Query{Rows: []any{&Order{ID: 99}}}))
	if err != nil {
		panic(err)
	}
	// Output:
	// id,at,change_set,change_set_at,transaction,table,key,action,attributed,actor_kind,actor_id,actor_name,impersonator_kind,impersonator_id,impersonator_name,request_id,ip,user_agent,method,route,metadata,database_user,database_role,column,type,before,after,redacted,bookkeeping,error
}
